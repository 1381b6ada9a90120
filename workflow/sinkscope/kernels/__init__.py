"""Statistics of attention from its queries and keys, without a matrix of queries x keys per head.

    from sinkscope.kernels import attention_statistics

    statistics = attention_statistics(query, key, is_causal=True)
    statistics.received   # [batch, head, key] attention that each key gets from all queries
    statistics.max_logit  # [batch, head, query]; .amax((0, 2)) is the largest logit of each head

For code that has queries and keys, in any framework's attention function: no model, tokenizer or
configuration of Sinkscope is needed. docs/how-to/attention_statistics.md has
examples beside FlexAttention, transformers and packed (varlen) batches, and
docs/explanation/kernels.md says how the kernels work. `sinkscope.observe` measures a whole model of
transformers.
"""

from sinkscope.kernels.entry import attention_statistics
from sinkscope.kernels.statistics import HeadStatistics

__all__ = ["HeadStatistics", "attention_statistics"]
