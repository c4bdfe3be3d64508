"""Frontend = rendering only: decision data → static pages of labs, decisions and audits. No rule is held here."""
