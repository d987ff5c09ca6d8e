"""AWS Batch's jobs: submission, life, retries, description. moto keeps queues and definitions.

``limits``, ``resolve`` and ``retries`` decide and are pure; ``records`` is a job's state;
``scheduler`` and ``attempts`` run jobs; ``actions`` answers requests.
"""
