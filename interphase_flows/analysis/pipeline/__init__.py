"""All analyses of one trajectory in one pass: settings, parts, results."""
