"""What all services share: the contract, the regulations, and the shell around the deciders."""
