"""What bench/compare is made of: scenarios, the relays compared, rounds, results, and the report about them."""
