"""Events from files and standard input: read ahead, told apart, mapped, and where each of them stands."""
