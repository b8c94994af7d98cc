"""The whole system at work while everything in it and around it fails, and a checker that trusts nobody."""
