/* ^C while a line is read (prompt.c) and while code runs (interrupt.c). */
#ifndef LMTL_INTERRUPT_H
#define LMTL_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

extern volatile sig_atomic_t lmtl_pressed; /* ^C was pressed since it is caught */
/* Catches ^C, forgetting one that was pressed before; `before` is what to go back to. */
void lmtl_catch_interrupt(struct sigaction *before);
bool lmtl_deferred(void); /* whether ^C was pressed in code that defers it */

#endif
