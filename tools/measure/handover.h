/* handover.h - measures how long a core waits for what another core wrote. */
#ifndef FV_TOOLS_MEASURE_HANDOVER_H
#define FV_TOOLS_MEASURE_HANDOVER_H

#include "ir/target/machine.h"

/* Measures the nanoseconds after which one thread sees a word that another thread wrote. Unknown if
 * there is one core, or no second thread can be made or is run. */
fv_measure fv_measure_handover(void);

#endif
