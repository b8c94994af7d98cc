"""What Darkroom costs, beside what the same work costs without it. `python -m bench.<name>` runs one."""
