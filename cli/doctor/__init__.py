"""`darkroom doctor`: looks at everything that the system leans on, and says what is wrong and what to do."""
