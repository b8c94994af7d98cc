"""What the messages, names and documents promise to everybody who sends, reads or keeps one."""
