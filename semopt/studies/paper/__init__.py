"""The paper's tables and figures again, each number beside the paper's."""
