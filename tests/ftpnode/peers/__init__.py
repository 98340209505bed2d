"""What other servers hold themselves to, asked of ours."""
