"""HTTP for programs that hold values of their own: tokens for them, stand-ins for them, and the way back."""
