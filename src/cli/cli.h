/* SPDX-License-Identifier: MIT
 *
 * The command line: verbs of one to three words, their flags, their help.
 */
#ifndef WARREN_CLI_CLI_H
#define WARREN_CLI_CLI_H

/* Everything: returns the exit code of the process. */
int cli_main(int argc, char **argv, char **environment);

#endif
