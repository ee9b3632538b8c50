"""What of the relay speaks HTTP: the application, its own pages, and how requests were answered."""
