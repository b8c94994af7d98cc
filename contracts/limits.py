"""The sizes that an acceptable request keeps."""

MAX_QUANTITY = 1000
#: Pixels of one side. ComfyUI's latents come in steps of 8.
MIN_SIDE = 64
MAX_SIDE = 4096
SIDE_STEP = 8
#: Highest number of an image: what every JSON reader keeps exactly.
MAX_INDEX = 2**53 - 1
MAX_TEXT = 10_000
#: Characters of a character's id: it is a key of tables.
MAX_ID = 256
MAX_PARAMETERS = 64
#: ComfyUI's samplers take an unsigned 64-bit seed.
MAX_SEED = 2**64 - 1
#: Longest body a consumer decodes, in bytes.
MAX_BODY = 1 << 20
#: Longest acceptable GenerateBatch, in bytes: IndicesReserved carries it along and must be decodable too.
MAX_REQUEST = MAX_BODY // 2
