"""Does a bundle give the same vectors on ARM64? Asked under emulation (qemu), where no ARM machine is at hand.

Emulation computes what an ARM core computes; how long it takes says nothing, and no time is printed.
"""
