"""What is measured, one family a file. Each measure tells a Report what it found."""
