"""What the tests of README and docs/ share: reading pages, running their blocks, mapping hosts."""
