"""A task that fails, and what Covalent then shows of it: its output, its traceback, its job."""

import covalent as ct


@ct.electron(executor=ct.executor.AWSBatchExecutor(retry_attempts=1))
def divide(number):
    print(f"Dividing {number} by zero")
    return number / 0


@ct.lattice
def run_division(number):
    return divide(number)


if __name__ == "__main__":
    dispatch_id = ct.dispatch(run_division)(6)
    result = ct.get_result(dispatch_id, wait=True)
    node = result.get_node_result(0)
    print(f"Workflow: {result.status}")
    print(f"Task:     {node['status']}")
    print(f"--- stdout of the task\n{node['stdout']}")
    print(f"--- stderr of the task\n{node['stderr']}")
