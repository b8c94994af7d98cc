"""The gateway's HTTP: what is asked, what is answered, and every error as a problem document."""
