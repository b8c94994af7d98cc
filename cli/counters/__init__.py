"""`darkroom counters`: the indexer's counters, their mirrors and what storage really holds, side by side."""
