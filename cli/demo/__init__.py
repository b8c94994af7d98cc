"""`darkroom demo`: the main job before one's eyes, and the four promises checked from outside."""
