"""What a run tells of itself at its end: final figures, classes, mistakes."""
