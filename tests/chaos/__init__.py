"""Fault runs: everything that can go wrong does, by a seed. A minute of each in `make test`, all of it in
`make chaos`."""
