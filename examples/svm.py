"""Train a support vector machine in a Batch job; load the data and score it on the server.

The resources are those of the section [executors.awsbatch] of Covalent's configuration, which
`covalent-awsbatch deploy` or the demonstration writes; put the names of yours here instead.
"""

import covalent as ct
import numpy
import sklearn
from numpy.random import permutation
from sklearn import datasets, svm

resources = ct.get_config("executors.awsbatch")

# What the job needs beside Covalent: the versions that run here, so that the model fits both.
deps_pip = ct.DepsPip(
    packages=[f"numpy=={numpy.__version__}", f"scikit-learn=={sklearn.__version__}"]
)

executor = ct.executor.AWSBatchExecutor(
    s3_bucket_name=resources["s3_bucket_name"],
    batch_job_definition_name=resources["batch_job_definition_name"],
    batch_queue=resources["batch_queue"],
    batch_execution_role_name=resources["batch_execution_role_name"],
    batch_job_role_name=resources["batch_job_role_name"],
    batch_job_log_group_name=resources["batch_job_log_group_name"],
    vcpu=2,  # number of vCPUs
    memory=3.75,  # GB
    time_limit=300,  # seconds
)


@ct.electron(executor=executor, deps_pip=deps_pip)
def train_svm(data, C, gamma):
    X, y = data
    print(f"Training on {len(X) - 90} flowers")
    model = svm.SVC(C=C, gamma=gamma)
    model.fit(X[90:], y[90:])
    return model


@ct.electron
def load_data():
    iris = datasets.load_iris()
    order = permutation(iris.target.size)
    return iris.data[order], iris.target[order]


@ct.electron
def score_svm(data, model):
    X, y = data
    return model.score(X[:90], y[:90])


@ct.lattice
def run_experiment(C=1.0, gamma=0.7):
    data = load_data()
    model = train_svm(data=data, C=C, gamma=gamma)
    return score_svm(data=data, model=model)


if __name__ == "__main__":
    dispatch_id = ct.dispatch(run_experiment)(C=1.0, gamma=0.7)
    result = ct.get_result(dispatch_id, wait=True)
    if result.result is None:
        raise SystemExit(f"{result.status}: {result.error}")
    print(f"Score: {result.result:.4f}")
