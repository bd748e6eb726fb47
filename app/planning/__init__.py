"""From quantiles to the number that is served, and the proof of what it saves: arithmetic only."""
