/* SPDX-License-Identifier: MIT
 *
 * The process beside a program: it stays in the machine's own network, holds
 * the daemon's proxy open, carries what the program sends to it, and answers
 * its questions for names. It is nobody's child, so that no program waits for
 * it, and has nothing of the terminal but standard error.
 *
 * It ends with the program, and, after a sentence, with the daemon.
 */
#ifndef WARREN_CLI_EXEC_EXEC_CARRY_H
#define WARREN_CLI_EXEC_EXEC_CARRY_H

#include "base/error.h"
#include "base/text.h"
#include "cli/exec/exec_socks.h"
#include "cli/exec/exec_space.h"

struct exec_carry {
    struct exec_proxy proxy;
    const struct exec_sockets *sockets; /* NULL: nothing is to be carried */
    int control;                        /* which holds the proxy open */
    const char *program;
};

/* Starts it beside this process, which is to become the program. What is handed
 * over stays open here too. ERR_IO, with a sentence. */
enum error exec_carry_start(const struct exec_carry *c, struct text *why);

#endif
