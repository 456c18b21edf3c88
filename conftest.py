"""One thread per process for the tests too, before anything imports torch: the files of tests run on all cores."""

import os

from zoo.runtime.threads import ENVIRONMENT

os.environ.update(ENVIRONMENT)
