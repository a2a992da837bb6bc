"""One file per step; each lets the previous version keep running."""
