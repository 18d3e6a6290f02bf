"""The network's story, told over the public REST API of a running stack: `./dev demo`."""
