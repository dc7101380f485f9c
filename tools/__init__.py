"""Tools that train, write and test the demo model; not imported by the node pack itself."""
