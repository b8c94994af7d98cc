"""ComfyUI's own API, from 0.3.64 (October 2025) to 0.33 (August 2026)."""
