"""Runs the tests of this folder: run.py [PATTERN]. Ends with `N passed, N failed`."""
import os
import sys
import unittest

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [FOLDER, os.path.join(FOLDER, "../../python")]


class Result(unittest.TestResult):
    """Prints each test that fails with its reason, and those that are skipped."""

    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1

    def addError(self, test, err):
        super().addError(test, err)
        print("FAILED %s\n%s" % (test.id(), self.errors[-1][1]))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        print("FAILED %s\n%s" % (test.id(), self.failures[-1][1]))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            print("FAILED %s: %s" % (subtest.id(), err[1]))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print("skipped: %s: %s" % (test.id(), reason))


def main():
    suite = unittest.defaultTestLoader.discover(FOLDER, pattern=sys.argv[1] if len(sys.argv) > 1 else "test_*.py")
    result = Result()
    suite.run(result)
    failed = len(result.failures) + len(result.errors)
    print("%d passed, %d failed" % (result.passed, failed))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
