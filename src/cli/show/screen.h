/* SPDX-License-Identifier: MIT
 *
 * How wide the output may be, and text that is folded to that width between
 * words. A word is never broken: one that is wider than the screen stands on a
 * line of its own.
 */
#ifndef WARREN_CLI_SHOW_SCREEN_H
#define WARREN_CLI_SHOW_SCREEN_H

#include <stddef.h>
#include <stdio.h>

#define SCREEN_WIDTH     80 /* where nothing says otherwise */
#define SCREEN_WIDTH_MIN 40
#define SCREEN_LABEL     15 /* column of what stands beside labels */
#define SCREEN_WIDTH_MAX 1000

/* Columns of the terminal that `to` is; what the environment says in COLUMNS
 * goes first, as with ls. A pipe and a file have SCREEN_WIDTH: programs ask by
 * --json. */
size_t screen_width(FILE *to);

/* Characters, not bytes: continuation bytes of UTF-8 take no room. */
size_t screen_width_of(const char *s, size_t len);

/* Bytes of `s` for the next line of `room` characters: up to a blank or its
 * end, the first word at least. What stands between `backquotes` is to be typed
 * or copied: one word. */
size_t screen_break(const char *s, size_t room);

/* `left`, filled up to `indent` characters, and beside it `s` in as many lines
 * as it takes, which end in a newline. A `left` that leaves no blank before
 * them has a line of its own, and a word that is too wide moves to the left. */
void screen_fold(FILE *to, size_t indent, const char *left, const char *s);

/* A fact on stdout, with its label to the left. */
void screen_line(const char *label, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
