"""The study of what a product needs: any teacher, certificates, thresholds, open sets, other losses."""
