"""Thousands of messages and requests that mean no good, and what they leave behind: nothing."""
