"""RunPod's serverless endpoints with worker-comfyui (5.x) on them."""
