"""After step 6: from decoded pictures back to the user's own pixels."""
