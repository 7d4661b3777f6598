# ---
# title: Start here
# chapters: []
# questions: []
# minutes: 2
# ---

# %% [markdown]
# # Start here
#
# Run the cell below (Shift+Enter). It shows what to do next, how far you are, whether the systems
# run, and every interview question. A lab opens with a click; read it from the top.

# %%
from streamgym.desk import open_desk

open_desk()

# %% [markdown]
# No widgets in your viewer? `found("watermark")` searches as the box above does, and every lab
# starts the systems by itself.

# %%
from streamgym.desk.page import found

found("watermark")
