/* SPDX-License-Identifier: MIT
 *
 * What the exit codes of `warren` mean.
 */
#ifndef WARREN_CLI_SHOW_EXIT_CODE_H
#define WARREN_CLI_SHOW_EXIT_CODE_H

enum exit_code {
    EXIT_DONE = 0,       /* it did what was asked; found what was looked for */
    EXIT_NEGATIVE = 1,   /* the answer is no: nothing found, not healthy */
    EXIT_USAGE = 2,      /* wrong arguments or configuration */
    EXIT_NO_DAEMON = 3,  /* no daemon listens on the control socket */
    EXIT_UNANSWERED = 4, /* nobody to ask, or nobody answered in time */
    EXIT_REFUSED = 5,    /* others refused it: cas, seq, signature, full */
    EXIT_TROUBLE = 6     /* this machine: files, sockets, memory */
};

#endif
