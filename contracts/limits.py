"""The sizes that an acceptable request keeps."""

MAX_QUANTITY = 1000
#: Pixels of one side. ComfyUI's latents come in steps of 8.
MIN_SIDE = 64
MAX_SIDE = 4096
SIDE_STEP = 8
MAX_TEXT = 10_000
MAX_PARAMETERS = 64
#: ComfyUI's samplers take an unsigned 64-bit seed.
MAX_SEED = 2**64 - 1
#: Longest body a consumer decodes, in bytes; a GenerateBatch with every field at its limit stays far below.
MAX_BODY = 1 << 20
