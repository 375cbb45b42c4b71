"""What every study is made of: jobs and what runs them, plans of trainings, values per query, rows, tables."""
