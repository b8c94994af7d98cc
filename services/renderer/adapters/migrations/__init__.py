"""How the job book's tables came to be."""
