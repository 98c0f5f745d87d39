/** Prints failures in full, skips with their reason (the test's name), and one plain closing line. */
export default class PlainReporter {
  onTestResult(_test, result) {
    if (result.failureMessage) process.stdout.write(`${result.failureMessage}\n`);
  }
  onRunComplete(_contexts, results) {
    for (const file of results.testResults)
      for (const test of file.testResults)
        if (test.status === 'pending' || test.status === 'todo') console.log(`skipped: ${test.fullName}`);
    // A suite that does not even load has no tests to count, so count it as a failure.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    console.log(
      `${results.numPassedTests} passed, ${failed} failed, ${results.numPendingTests + results.numTodoTests} skipped`,
    );
  }
}
