"""What sources report by themselves: stored as it comes, recorded by a worker, asked for anew."""
