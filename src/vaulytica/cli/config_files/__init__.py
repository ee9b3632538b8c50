"""Config files of destinations and of a relay: read with the place of each setting, checked, and described for editors."""
