"""The program in the job's container: fetch the task, run it, store its outcome.

Two processes. The supervisor fetches the task, passes on what the task writes while keeping a
copy, and stores the outcome; the task process runs the task and reports. So a task that is killed,
calls ``os._exit`` or crashes in native code still leaves an outcome with its output, and output is
caught at file-descriptor level, native code and subprocesses included.

Only the standard library and cloudpickle are needed, and of this package only ``protocol``: they
travel together, as an archive in the task's bucket.
"""
