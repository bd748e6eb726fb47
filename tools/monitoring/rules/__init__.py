"""Recording rules and alerts, one module a concern; each gives one RuleFile."""
