"""What M2-VAAL's and VaB-AL's experiments share: pools, networks, and campaigns whose graphs carry their own scores."""
